"""The Function App: begins to load the network, and registers the functions."""

from shared_code.process import engine, settings

engine.start()  # first, so that the network loads while all the rest is imported

import azure.functions as func

from cutout_function import blueprint as cutout
from segment_function import blueprint as segment
from segment_function.pages.handlers import blueprint as pages
from segment_function.worker_port import use_handler_app

use_handler_app()
app = func.FunctionApp()
app.register_functions(segment)
app.register_functions(pages)
if settings.cutout.storage is not None:  # the host cannot start a queue trigger without a connection
    app.register_functions(cutout)
