"""What people touch: the command line and the pandas accessor. Thin shells over `rmg_dsl.api`."""
