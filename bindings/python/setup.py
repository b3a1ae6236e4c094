"""Everything else is in pyproject.toml; this adds the library, compiled into the package."""
from setuptools import setup

setup(cffi_modules=['build_native.py:ffi'])
