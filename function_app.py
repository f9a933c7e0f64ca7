"""The Function App: registers the functions, and begins to load the network they use."""

import azure.functions as func

from segment_function import blueprint as segment
from segment_function.pages import blueprint as pages
from shared_code.process import engine

app = func.FunctionApp()
app.register_functions(segment)
app.register_functions(pages)

engine.start()
