"""The Function App on a laptop: the handlers of `function_app.app`, served without the Functions host."""
