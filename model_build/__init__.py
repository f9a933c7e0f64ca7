"""The networks: what they are (manifest), and the build step that turns published weights into them."""
