"""Settings of all tests: few examples at a desk, more and always the same ones in CI."""

from __future__ import annotations

import os

from hypothesis import settings

# No deadlines: the first call of a function may import or compile, and the machine may be busy.
settings.register_profile("dev", deadline=None, max_examples=25)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
