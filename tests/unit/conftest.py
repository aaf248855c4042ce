"""For all unit tests: how long an example takes says nothing on machines that others use as well."""

from hypothesis import settings

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
