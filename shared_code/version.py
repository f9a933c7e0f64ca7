"""The version of the project, said here; tests hold everything else that names it to this."""

VERSION = "1.0.0"
"""By https://semver.org; docs/versions.md says what it covers."""
