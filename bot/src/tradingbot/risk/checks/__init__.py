"""Pure checks, one code each: they return a denial, or None. The gate decides their order."""
