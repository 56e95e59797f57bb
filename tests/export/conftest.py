"""Settings of the tests of exports."""

from hypothesis import settings

# Patterns are slow to draw at first, and the machine may be busy: no deadline.
settings.register_profile("export", deadline=None, max_examples=50)
settings.load_profile("export")
