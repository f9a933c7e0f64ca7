@description('Region of the resources.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the Function App.')
param name string

@description('Name of the plan.')
param planName string

@description('Name of the service in azure.yaml that is deployed to this app.')
param serviceName string

@description('Resource id of the identity the app runs as.')
param identityId string

@description('URL of the container of the packages that are deployed.')
param packageContainerUrl string

@description('App settings by their names.')
param settings object

@description('Memory of an instance, in MB.')
param instanceMemoryMB int

@description('Most instances of the app.')
param maximumInstanceCount int

@description('Instances that are always ready for HTTP calls.')
param alwaysReadyInstances int

@description('HTTP calls that one instance is given at a time.')
param httpConcurrency int

@description('How running instances are replaced by an update.')
param updateStrategy string

@description('Whether instances are spread over zones.')
param zoneRedundant bool

@description('Origins of the pages that may call the API from a browser.')
param corsOrigins array

@description('Subnet of the app; none if empty.')
param subnetId string

@description('Address of a package that the platform fetches and runs; none if empty.')
param packageUri string

@description('Log Analytics workspace for diagnostics.')
param workspaceId string

var alwaysReady = [
  {
    name: 'http'
    instanceCount: alwaysReadyInstances
  }
]

var functionAppConfig = {
  deployment: {
    storage: {
      type: 'blobContainer'
      value: packageContainerUrl
      authentication: {
        type: 'UserAssignedIdentity'
        userAssignedIdentityResourceId: identityId
      }
    }
  }
  runtime: {
    name: 'python'
    version: '3.13'
  }
  scaleAndConcurrency: {
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReady: alwaysReadyInstances > 0 ? alwaysReady : []
    triggers: {
      http: {
        perInstanceConcurrency: httpConcurrency
      }
    }
  }
}
// A preview, which not every stamp knows: sent only where it is asked for. Recreate is what the platform does without.
var otherUpdateStrategy = {
  siteUpdateStrategy: {
    type: updateStrategy
  }
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': serviceName })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    clientAffinityEnabled: false
    // References in the settings are resolved with this identity; without it, with a system-assigned one.
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: union(functionAppConfig, updateStrategy == 'Recreate' ? {} : otherUpdateStrategy)
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      cors: {
        allowedOrigins: corsOrigins
        supportCredentials: false
      }
      appSettings: [
        for setting in items(settings): {
          name: setting.key
          value: setting.value
        }
      ]
    }
  }
}

// Without a remote build, as azd publishes it: the package brings what it needs.
resource code 'Microsoft.Web/sites/extensions@2025-03-01' = if (!empty(packageUri)) {
  parent: app
  name: 'onedeploy'
  #disable-next-line BCP187 // documented for Flex Consumption, and missing from the types
  properties: {
    packageUri: packageUri
    remoteBuild: false
  }
}

// Packages are deployed with an identity of Microsoft Entra, never with a publishing password.
resource ftpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-log-analytics'
  scope: app
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'FunctionAppLogs'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

output id string = app.id
output endpoint string = 'https://${app.properties.defaultHostName}'
