@description('Region of the resources.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the storage account.')
param name string

@description('Replication of the storage account.')
param sku string

@description('Whether the account is closed but for private endpoints.')
param isPrivate bool

@description('Public addresses that are let in all the same.')
param allowedAddresses array

@description('Whether pictures in a container are cut out: the containers and the queues for that.')
param cutoutsEnabled bool

@description('Container of the packages that are deployed.')
param packageContainer string

@description('Container that is watched.')
param inputContainer string

@description('Container of the cut-outs.')
param outputContainer string

@description('Container of the events that could not be delivered.')
param deadLetterContainer string

@description('Queue of the events; the host adds -poison for the queue of what it gives up.')
param queue string

@description('Days after which uploads are deleted; 0: never.')
param uploadRetentionDays int

@description('Log Analytics workspace for diagnostics.')
param workspaceId string

// An account takes no /31 and no /32: one address stands alone.
var addressRules = [
  for address in allowedAddresses: {
    value: replace(address, '/32', '')
    action: 'Allow'
  }
]
var pictureContainers = [inputContainer, outputContainer, deadLetterContainer]
var containers = concat([packageContainer], cutoutsEnabled ? pictureContainers : [])
var queues = cutoutsEnabled ? [queue, '${queue}-poison'] : []

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    // With no account key there is none to leak: everything is done by identities.
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: isPrivate && empty(allowedAddresses) ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: isPrivate ? 'Deny' : 'Allow'
      // In a closed network too: Event Grid delivers to the queue as a trusted service.
      bypass: 'AzureServices'
      ipRules: isPrivate ? addressRules : []
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource blobContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [
  for container in containers: {
    parent: blobs
    name: container
    properties: {
      publicAccess: 'None'
    }
  }
]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource storageQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = [
  for name in queues: {
    parent: queueService
    name: name
  }
]

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = if (cutoutsEnabled && uploadRetentionDays > 0) {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'delete-uploads'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: ['blockBlob']
              prefixMatch: ['${inputContainer}/']
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: uploadRetentionDays
                }
              }
            }
          }
        }
      ]
    }
  }
}

// Deletions are logged one by one, since the app deletes error documents only; reads and writes are counted.
resource blobDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-log-analytics'
  scope: blobs
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'StorageDelete'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

resource queueDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-log-analytics'
  scope: queueService
  properties: {
    workspaceId: workspaceId
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

output id string = account.id
output blobEndpoint string = account.properties.primaryEndpoints.blob
output queueEndpoint string = account.properties.primaryEndpoints.queue
