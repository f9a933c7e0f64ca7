"""Third-party components that are shipped: the page of licences, and the SBOM of a release."""
