using 'main.bicep'

param name = 'apim-segment-example'
param publisherEmail = 'operator@example.com'
param functionName = 'func-api-example'
param callers = ['shop', 'app']
param callsPerDay = 2000
