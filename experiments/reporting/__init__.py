"""Frames → sentences, tables, pictures, one HTML file."""
