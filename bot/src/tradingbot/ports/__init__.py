"""What the core and the runner expect of the outside: protocols and their result types, no code."""
