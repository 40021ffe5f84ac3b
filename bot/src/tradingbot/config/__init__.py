"""Configuration: defaults, then the YAML file, then the environment. Unknown keys are refused with their path."""
