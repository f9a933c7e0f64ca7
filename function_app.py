"""The Function App, wired in order: rooms, settings, process, networks, engine, functions."""

from shared_code.room.lifecycle import Zygote

zygote = Zygote()  # before settings are read, and while everything else is imported

from shared_code.matte.built import read_catalogue
from shared_code.matte.capacity import capacity
from shared_code.matte.networks import NetworkStore
from shared_code.process import cores, end_process, told_on_console, tune_process
from shared_code.settings import load_settings

with told_on_console():
    planned = capacity(load_settings(), read_catalogue(), cores())
    settings = planned.settings
    tune_process()
    networks = NetworkStore(
        planned.catalogue, settings.model, settings.models_in_memory, cores(), end_process, planned.runs
    )
    networks.preload()  # so that the network loads while everything else is imported

import azure.functions as func

from cutout_function.trigger import cutout_blueprint
from segment_function.api import SegmentApi, segment_blueprint
from segment_function.callers import Gate
from segment_function.pages.handlers import pages_blueprint
from segment_function.worker_port import use_handler_app
from shared_code.engine import Engine
from shared_code.record import log_record, told
from shared_code.room.rooms import Rooms
from telemetry.start import start_telemetry

engine = Engine(settings, networks, Rooms(zygote, cores(), settings.formats))
sink = told(log_record, start_telemetry(settings.telemetry, engine))
api = SegmentApi(settings, engine, Gate.of(settings), sink)

use_handler_app()
app = func.FunctionApp()
app.register_functions(segment_blueprint(api))
app.register_functions(pages_blueprint(api))
if settings.cutout.storage is not None:  # the host cannot start a queue trigger without a connection
    app.register_functions(cutout_blueprint(settings, engine, sink))
