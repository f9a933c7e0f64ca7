using '../main.bicep'

// Storage and Key Vault behind private endpoints, in a network of one's own addresses.
param environmentName = 'network'
param location = 'westeurope'
param vnetEnabled = true
param vnetAddressPrefix = '10.99.0.0/20'
param vnetAppPrefix = '10.99.0.0/26'
param vnetEndpointPrefix = '10.99.1.0/28'
