@description('Region of the resources.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the vault.')
param name string

@description('Whether the vault is closed but for private endpoints.')
param isPrivate bool

@description('Public addresses that are let in all the same.')
param allowedAddresses array

@description('Whether the vault was deleted and is to be brought back with its keys.')
param recovered bool

@description('Log Analytics workspace for diagnostics.')
param workspaceId string

// Made here and nowhere else: a value that no caller of this module gives is in no parameter file and in no
// deployment's inputs. Two GUIDs have 244 random bits.
@secure()
@description('First API key; never given, the default is a new one.')
param key1 string = toLower(replace('${newGuid()}${newGuid()}', '-', ''))

@secure()
@description('Second API key; never given, the default is a new one.')
param key2 string = toLower(replace('${newGuid()}${newGuid()}', '-', ''))

var addressRules = [
  for address in allowedAddresses: {
    value: address
  }
]

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    createMode: recovered ? 'recover' : 'default'
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    enablePurgeProtection: true
    softDeleteRetentionInDays: 7
    publicNetworkAccess: isPrivate && empty(allowedAddresses) ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: isPrivate ? 'Deny' : 'Allow'
      // In a closed network too: the secrets below are written by Azure Resource Manager.
      bypass: 'AzureServices'
      ipRules: isPrivate ? addressRules : []
    }
  }
}

// Written at the first provisioning and left alone by every later one, so that a key that was rotated stays.
@onlyIfNotExists()
resource firstKey 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = {
  parent: vault
  name: 'api-key-1'
  tags: tags
  properties: {
    value: key1
    contentType: 'text/plain'
  }
}

@onlyIfNotExists()
resource secondKey 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = {
  parent: vault
  name: 'api-key-2'
  tags: tags
  properties: {
    value: key2
    contentType: 'text/plain'
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-log-analytics'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'AuditEvent'
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

output id string = vault.id
output uri string = vault.properties.vaultUri
// Without a version, so that the app follows a rotation by itself. Names, not values.
output keyNames array = [firstKey.name, secondKey.name]
