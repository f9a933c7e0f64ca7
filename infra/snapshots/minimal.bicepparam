using '../main.bicep'

// The API alone.
param environmentName = 'minimal'
param location = 'eastus2'
param cutoutsEnabled = false
