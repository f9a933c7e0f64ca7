"""The Function App: registers the functions, and begins to load the network they use."""

import azure.functions as func

from cutout_function import blueprint as cutout
from segment_function import blueprint as segment
from segment_function.pages import blueprint as pages
from segment_function.worker_port import use_handler_app
from shared_code.process import engine, settings

use_handler_app()
app = func.FunctionApp()
app.register_functions(segment)
app.register_functions(pages)
if settings.cutout.storage is not None:  # the host cannot start a queue trigger without a connection
    app.register_functions(cutout)

engine.start()
