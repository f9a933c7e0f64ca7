"""What is served beside the API: the page, its files, the description."""
