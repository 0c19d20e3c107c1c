"""Networks of other kinds, to hold a Perceiver against."""
