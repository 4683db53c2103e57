"""The one template engine: templates, their sandbox, and the fences around values.

The only room that knows jinja2.
"""
