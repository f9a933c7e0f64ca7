targetScope = 'resourceGroup'

metadata description = 'API Management in front of segment-function: keys, limits and quotas by caller, for all instances together'

@description('Region of API Management.')
param location string = resourceGroup().location

@description('Tags of API Management.')
param tags object = {}

@description('Name of API Management, which becomes part of its address: nobody else\'s has it.')
@minLength(1)
@maxLength(50)
param name string

@description('Tier. Developer is for trials: it has no service level.')
@allowed(['BasicV2', 'StandardV2', 'Developer', 'Basic', 'Standard'])
param sku string = 'BasicV2'

@description('Units of that tier.')
@minValue(1)
param units int = 1

@description('Who is told of maintenance.')
param publisherEmail string

@description('The name that API Management shows of its owner.')
param publisherName string = 'segment-function'

@description('Name of the Function App, as azd prints it: AZURE_FUNCTION_NAME.')
param functionName string

@description('Names of the callers; each gets a subscription with two keys, and limits of his own.')
@minLength(1)
param callers array

@description('Calls of one caller in a minute.')
@minValue(1)
param callsPerMinute int = 60

@description('Calls of one caller in 24 hours.')
@minValue(1)
param callsPerDay int = 10000

// What the app's tokens are for; see docs/deploy.md.
var audience = 'https://cognitiveservices.azure.com'

var withMinutes = replace(loadTextContent('policy.xml'), '{calls-per-minute}', string(callsPerMinute))
var withDays = replace(withMinutes, '{calls-per-day}', string(callsPerDay))
var policy = replace(withDays, '{audience}', audience)

// The tiers of version 2 have no older TLS to be turned off.
var protocols = 'Microsoft.WindowsAzure.ApiManagement.Gateway.Security.Protocols'
var backendProtocols = 'Microsoft.WindowsAzure.ApiManagement.Gateway.Security.Backend.Protocols'
var noOldTls = {
  '${protocols}.Tls10': 'false'
  '${protocols}.Tls11': 'false'
  '${backendProtocols}.Tls10': 'false'
  '${backendProtocols}.Tls11': 'false'
}

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionName
}

resource gateway 'Microsoft.ApiManagement/service@2024-05-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: sku
    capacity: units
  }
  // Signs in to the app: there is no key of the app to be kept.
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    publisherEmail: publisherEmail
    publisherName: publisherName
    customProperties: endsWith(sku, 'V2') ? {} : noOldTls
  }
}

resource api 'Microsoft.ApiManagement/service/apis@2024-05-01' = {
  parent: gateway
  name: 'segment'
  properties: {
    displayName: 'Segment'
    path: 'computervision'
    protocols: ['https']
    serviceUrl: 'https://${app.properties.defaultHostName}/computervision'
    subscriptionRequired: true
    subscriptionKeyParameterNames: {
      header: 'Ocp-Apim-Subscription-Key'
      query: 'subscription-key'
    }
  }
}

// The second is for callers behind something that refuses a colon.
resource operations 'Microsoft.ApiManagement/service/apis/operations@2024-05-01' = [
  for (route, number) in ['imageanalysis:segment', 'imageanalysis/segment']: {
    parent: api
    name: 'segment-${number + 1}'
    properties: {
      displayName: 'Cut out the foreground of a picture (/${route})'
      method: 'POST'
      urlTemplate: '/${route}'
    }
  }
]

resource apiPolicy 'Microsoft.ApiManagement/service/apis/policies@2024-05-01' = {
  parent: api
  name: 'policy'
  properties: {
    format: 'rawxml'
    value: policy
  }
}

resource subscriptions 'Microsoft.ApiManagement/service/subscriptions@2024-05-01' = [
  for caller in callers: {
    parent: gateway
    name: caller
    properties: {
      displayName: caller
      scope: api.id
      state: 'active'
    }
  }
]

output GATEWAY_ENDPOINT string = gateway.properties.gatewayUrl
output GATEWAY_PRINCIPAL_ID string = gateway.identity.principalId
