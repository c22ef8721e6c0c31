"""Metadata as bytes: EXIF, XMP and TIFF tags, read and mended in place."""
