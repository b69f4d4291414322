"""The version number: the only place that holds it. The build reads this file without importing the package."""

__version__ = "0.1.0"
