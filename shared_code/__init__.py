"""Pictures in, PNG strips out; knows neither Azure nor HTTP."""
