"""The version, apart from everything else, so that whoever names it loads nothing."""

__version__ = "0.1.0"
