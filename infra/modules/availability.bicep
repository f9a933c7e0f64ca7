@description('Region of the resources.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the test.')
param name string

@description('Name of the Application Insights component that keeps the results.')
param componentName string

@description('Where the app answers.')
param endpoint string

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

// Flex Consumption has no health check of its own; this one asks from outside, every five minutes.
resource test 'Microsoft.Insights/webtests@2022-06-15' = {
  name: name
  location: location
  // Application Insights finds its tests by this tag.
  tags: union(tags, { 'hidden-link:${component.id}': 'Resource' })
  kind: 'standard'
  properties: {
    SyntheticMonitorId: name
    Name: '/ready'
    Description: 'The network is loaded, and calls are taken.'
    Kind: 'standard'
    Enabled: true
    Frequency: 300
    Timeout: 60
    RetryEnabled: true
    Locations: [
      {
        Id: 'emea-nl-ams-azr'
      }
      {
        Id: 'us-va-ash-azr'
      }
      {
        Id: 'apac-sg-sin-azr'
      }
    ]
    Request: {
      RequestUrl: '${endpoint}/ready'
      HttpVerb: 'GET'
      ParseDependentRequests: false
    }
    ValidationRules: {
      ExpectedHttpStatusCode: 200
      SSLCheck: true
      SSLCertRemainingLifetimeCheck: 7
    }
  }
}

output id string = test.id
