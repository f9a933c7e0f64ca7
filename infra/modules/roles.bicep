@description('Name of the storage account.')
param storageName string

@description('Name of the vault.')
param vaultName string

@description('Name of the Application Insights component.')
param componentName string

@description('Object id of the identity the app runs as.')
param appPrincipalId string

@description('Whether the app reads a queue.')
param cutoutsEnabled bool

@description('Object id of the identity that Event Grid delivers with; empty without a queue.')
param topicPrincipalId string

@description('Queue of the events.')
param queue string

@description('Container of the events that could not be delivered.')
param deadLetterContainer string

var roleType = 'Microsoft.Authorization/roleDefinitions'
var roles = {
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  storageQueueDataMessageSender: 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
}

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource deadLetters 'containers' existing = {
      name: deadLetterContainer
    }
  }

  resource queues 'queueServices' existing = {
    name: 'default'

    resource events 'queues' existing = {
      name: queue
    }
  }
}

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' existing = {
  name: vaultName
}

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

// The host takes leases and keeps its keys in containers of its own, which it makes, and loads the deployed
// package; the app reads uploads and writes cut-outs. Owner is what the host's AzureWebJobsStorage needs.
resource appBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, appPrincipalId, roles.storageBlobDataOwner)
  scope: storage
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(roleType, roles.storageBlobDataOwner)
  }
}

// The queue trigger takes messages, deletes them, and moves what it gives up to the poison queue.
resource appQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (cutoutsEnabled) {
  name: guid(storage.id, appPrincipalId, roles.storageQueueDataContributor)
  scope: storage
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(roleType, roles.storageQueueDataContributor)
  }
}

// Host and worker send telemetry; without local auth that takes a role.
resource appTelemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(component.id, appPrincipalId, roles.monitoringMetricsPublisher)
  scope: component
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(roleType, roles.monitoringMetricsPublisher)
  }
}

// The platform resolves the app's Key Vault references with this identity.
resource appSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, appPrincipalId, roles.keyVaultSecretsUser)
  scope: vault
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(roleType, roles.keyVaultSecretsUser)
  }
}

// Event Grid puts each event into the queue. The names of its assignments follow who it is: an assignment cannot be
// given to another principal, and an identity that was made anew is another.
resource topicQueue 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (cutoutsEnabled) {
  name: guid(storage::queues::events.id, topicPrincipalId, roles.storageQueueDataMessageSender)
  scope: storage::queues::events
  properties: {
    principalId: topicPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(roleType, roles.storageQueueDataMessageSender)
  }
}

// It writes what it could not deliver into the container of dead letters.
resource topicDeadLetters 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (cutoutsEnabled) {
  name: guid(storage::blobs::deadLetters.id, topicPrincipalId, roles.storageBlobDataContributor)
  scope: storage::blobs::deadLetters
  properties: {
    principalId: topicPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(roleType, roles.storageBlobDataContributor)
  }
}
