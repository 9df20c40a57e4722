"""TIFF files, page by page, through tifffile."""
