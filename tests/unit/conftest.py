import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # else the workers of pytest-xdist wait for each other's spinning

from hypothesis import settings

settings.register_profile("unit", deadline=None, derandomize=True)
settings.load_profile("unit")
