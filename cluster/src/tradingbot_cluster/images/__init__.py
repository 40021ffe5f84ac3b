"""The images that run on the development cluster."""
