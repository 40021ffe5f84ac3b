"""A trading bot whose every order is recorded before it is sent."""

__version__ = "0.1.0"
