"""Files of images: read whole, written whole or not at all, refused in one line."""
