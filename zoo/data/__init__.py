"""What reading data has in common, whatever the data: files, epochs, batches."""
