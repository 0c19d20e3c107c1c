"""Weights to start from, published ones among them."""
