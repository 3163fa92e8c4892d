"""A WebDAV file server (RFC 4918 classes 1, 2 and 3) over an ordinary directory tree."""

__version__ = "0.1.0"
