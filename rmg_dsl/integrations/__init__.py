"""Other programs that read RMG: Pygments and JupyterLab."""
