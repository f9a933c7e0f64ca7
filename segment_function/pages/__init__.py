"""Served beside the API: the home page with its files, and the API description."""
