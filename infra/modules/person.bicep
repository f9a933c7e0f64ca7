@description('Name of the storage account.')
param storageName string

@description('Name of the vault.')
param vaultName string

@description('Whether pictures in a container are cut out.')
param cutoutsEnabled bool

@description('Object id of who gets the roles.')
param principalId string

@description('What the principal is.')
param principalType string

var roleType = 'Microsoft.Authorization/roleDefinitions'
var roles = {
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  keyVaultSecretsOfficer: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
}

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName
}

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' existing = {
  name: vaultName
}

// Uploads pictures and fetches cut-outs,
resource blobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, principalId, roles.storageBlobDataContributor)
  scope: storage
  properties: {
    principalId: principalId
    principalType: principalType
    roleDefinitionId: subscriptionResourceId(roleType, roles.storageBlobDataContributor)
  }
}

// looks into the queues and puts poison messages back,
resource queues 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (cutoutsEnabled) {
  name: guid(storage.id, principalId, roles.storageQueueDataContributor)
  scope: storage
  properties: {
    principalId: principalId
    principalType: principalType
    roleDefinitionId: subscriptionResourceId(roleType, roles.storageQueueDataContributor)
  }
}

// and reads and rotates the API keys.
resource secrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, principalId, roles.keyVaultSecretsOfficer)
  scope: vault
  properties: {
    principalId: principalId
    principalType: principalType
    roleDefinitionId: subscriptionResourceId(roleType, roles.keyVaultSecretsOfficer)
  }
}
