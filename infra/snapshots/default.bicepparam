using '../main.bicep'

// What azd up makes when nothing is set.
param environmentName = 'default'
param location = 'westeurope'
