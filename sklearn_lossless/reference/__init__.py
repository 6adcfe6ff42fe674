"""The network that is compressed: read, and asked as a teacher.

Nothing here is public; import from the modules.
"""

__all__: list[str] = []
