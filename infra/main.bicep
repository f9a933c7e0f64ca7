targetScope = 'subscription'

metadata description = 'segment-function: background removal in your own subscription, on Azure Functions Flex Consumption'

// Where and under what name

@minLength(1)
@maxLength(64)
@description('Name of the environment; names of resources are made from it, and each environment has its own.')
param environmentName string

@description('Region of all resources, one that has Flex Consumption.')
@allowed([
  'australiaeast'
  'australiasoutheast'
  'brazilsouth'
  'canadacentral'
  'centralindia'
  'centralus'
  'eastasia'
  'eastus'
  'eastus2'
  'francecentral'
  'germanywestcentral'
  'italynorth'
  'japaneast'
  'koreacentral'
  'northcentralus'
  'northeurope'
  'norwayeast'
  'southafricanorth'
  'southcentralus'
  'southeastasia'
  'southindia'
  'spaincentral'
  'swedencentral'
  'uaenorth'
  'uksouth'
  'ukwest'
  'westcentralus'
  'westeurope'
  'westus'
  'westus2'
  'westus3'
])
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

// The app

@description('Memory of an instance in MB: 2048 has one core, 4096 has two. 512 is too little for the network.')
@allowed([2048, 4096])
param instanceMemoryMB int = 2048

@description('The network, by its name in models/manifest.json; empty: the default one. What is deployed has to hold it.')
param segmentModel string = ''

@description('Most instances of the app, which bounds what an hour can cost.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances that are always ready for HTTP calls, billed while they wait; 0: none.')
@minValue(0)
@maxValue(1000)
param alwaysReadyInstances int = 0

@description('HTTP calls that one instance is given at a time; 0: two for each core, one worked on while another is received or sent.')
@minValue(0)
@maxValue(16)
param httpConcurrency int = 0

@description('Whether instances and storage are spread over the zones of the region, where it has any.')
param zoneRedundant bool = false

@description('How running instances are replaced by an update: Recreate ends running calls, RollingUpdate, a preview, lets them finish.')
@allowed(['Recreate', 'RollingUpdate'])
param updateStrategy string = 'Recreate'

@description('Origins of pages that may call the API from a browser, separated by commas.')
param corsOrigins string = ''

@description('Formats of pictures that are read beside those of the retired service, separated by commas: avif, heic.')
param moreFormats string = ''

@description('Address of a release\'s package, which the platform fetches and runs; empty: the code comes by azd.')
param packageUri string = ''

@description('More app settings as NAME=value, separated by semicolons; these go before those set here.')
param appSettings string = ''

// Pictures in a container

@description('Whether every picture that lands in the container uploads is cut out into the container cutouts.')
param cutoutsEnabled bool = true

@description('What is made of those pictures.')
@allowed(['backgroundRemoval', 'foregroundMatting'])
param cutoutMode string = 'backgroundRemoval'

@description('The format of what is made of them.')
@allowed(['png', 'webp', 'avif'])
param cutoutFormat string = 'png'

@description('Days after which uploads are deleted; 0: never.')
@minValue(0)
@maxValue(36500)
param uploadRetentionDays int = 0

@description('Replication of the storage account.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageSku string = 'Standard_LRS'

// Network

@description('Whether storage and Key Vault are reached through a virtual network only, and the app\'s way out is closed except for image URLs.')
param vnetEnabled bool = false

@description('Addresses of that network, that no other network of yours uses.')
param vnetAddressPrefix string = '10.60.0.0/16'

@description('Addresses in it for the app, at least a /27.')
param vnetAppPrefix string = '10.60.0.0/24'

@description('Addresses in it for the private endpoints.')
param vnetEndpointPrefix string = '10.60.1.0/24'

@description('Public addresses from which containers and keys are used as well, such as those of an office: 203.0.113.7,198.51.100.0/24.')
param allowedAddresses string = ''

// Who else gets in

@description('Whether a person who deploys gets roles to read and set the API keys and to use the containers and queues. A pipeline gets none.')
param deployerAccess bool = true

@description('What is signed in; azd says it.')
@allowed(['User', 'ServicePrincipal'])
param principalType string = 'User'

@description('Object id of one more principal that gets these roles, such as a group of developers; none if empty.')
param developerId string = ''

@description('What that principal is.')
@allowed(['User', 'Group', 'ServicePrincipal'])
param developerType string = 'Group'

@description('Whether the Key Vault of a deleted environment is brought back with its keys; its name is taken for a week.')
param recoverVault bool = false

// Callers without keys

@description('Who may call with an access token of Microsoft Entra ID: object ids or app roles, separated by commas, each alone or as name=id; nobody if empty.')
param entraCallers string = ''

@description('Client ids of app registrations of your own that tokens may be for, separated by commas.')
param entraAppIds string = ''

@description('Whether the API keys let callers in; if not, only access tokens do.')
param keysEnabled bool = true

// Watching

@description('Days that telemetry is kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Gigabytes of telemetry a day after which nothing more is taken in; -1: no limit.')
@minValue(-1)
@maxValue(1000)
param logDailyCapGb int = 1

@description('Of 100 pictures, those whose spans are sent; metrics and the line of log tell of all of them.')
@minValue(0)
@maxValue(100)
param tracedPercent int = 10

@description('Address that alerts are sent to; no alerts if empty.')
param alertEmail string = ''

@description('Gigabyte-seconds in 24 hours above which an alert is sent.')
@minValue(1)
param dailyGbSeconds int = 10000

@description('Whether /ready is asked from three places every five minutes. It keeps an instance busy.')
param availabilityTest bool = false

@description('Budget for a month, in the currency of the bill; 0: none.')
@minValue(0)
param monthlyBudget int = 0

@description('First day of the month in which the budget began, which Azure lets nobody change; empty: the current month. azd keeps it.')
param budgetStart string = ''

@description('First day of the current month; never given.')
param currentMonth string = utcNow('yyyy-MM-01')

var serviceName = 'api'
var abbreviations = loadJsonContent('abbreviations.json')
var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = {
  'azd-env-name': environmentName
}
var appName = '${abbreviations.functionApp}${serviceName}-${token}'
var storageName = '${abbreviations.storageAccount}${token}'
var vaultName = '${abbreviations.keyVault}${token}'
var workspaceName = '${abbreviations.logAnalyticsWorkspace}${token}'
var componentName = '${abbreviations.applicationInsights}${token}'

// The defaults of shared_code/settings.py.
var inputContainer = 'uploads'
var outputContainer = 'cutouts'
var queue = 'cutout-events'
var imageUrlPorts = ['80', '443']

var packageContainer = 'app-package'
var deadLetterContainer = 'dead-letters'

var cores = instanceMemoryMB / 2048

// Decided by the id of the trace, so that the host's spans of a call, the picture's and its stages' are sent all or none.
var tracedShare = tracedPercent == 100 ? '1' : '0.${padLeft(tracedPercent, 2, '0')}'

var tooManyReady = 'alwaysReadyInstances must be from 0 to maximumInstanceCount.'
var readyInstances = alwaysReadyInstances > maximumInstanceCount ? fail(tooManyReady) : alwaysReadyInstances
var deployerIsPerson = deployerAccess && principalType == 'User'
var keyIsReadable = deployerIsPerson && !vnetEnabled
var budgetBegan = empty(budgetStart) ? currentMonth : budgetStart

var addresses = filter(map(split(allowedAddresses, ','), address => trim(address)), address => !empty(address))
// Of the same reach, in several zones.
var spreadGrs = storageSku == 'Standard_GRS' ? 'Standard_GZRS' : storageSku
var spreadSku = storageSku == 'Standard_LRS' ? 'Standard_ZRS' : spreadGrs

var origins = filter(map(split(corsOrigins, ','), origin => trim(origin)), origin => !empty(origin))
var assignments = filter(map(split(appSettings, ';'), setting => trim(setting)), setting => !empty(setting))
var noAssignment = 'appSettings must be NAME=value, separated by semicolons.'
var moreSettings = toObject(
  assignments,
  setting => indexOf(setting, '=') > 0 ? trim(split(setting, '=')[0]) : fail(noAssignment),
  setting => trim(substring(setting, indexOf(setting, '=') + 1))
)

resource resourceGroup 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: '${abbreviations.resourceGroup}${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: resourceGroup
  params: {
    location: location
    tags: tags
    name: '${abbreviations.userAssignedIdentity}${serviceName}-${token}'
  }
}

// Event Grid's own: it may put messages into one queue, and the app's identity need not.
module topicIdentity 'modules/identity.bicep' = if (cutoutsEnabled) {
  scope: resourceGroup
  params: {
    location: location
    tags: tags
    name: '${abbreviations.userAssignedIdentity}events-${token}'
  }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: resourceGroup
  params: {
    location: location
    tags: tags
    workspaceName: workspaceName
    componentName: componentName
    retentionDays: logRetentionDays
    dailyCapGb: logDailyCapGb
  }
}

module storage 'modules/storage.bicep' = {
  scope: resourceGroup
  params: {
    location: location
    tags: tags
    name: storageName
    sku: zoneRedundant ? spreadSku : storageSku
    isPrivate: vnetEnabled
    allowedAddresses: addresses
    cutoutsEnabled: cutoutsEnabled
    packageContainer: packageContainer
    inputContainer: inputContainer
    outputContainer: outputContainer
    deadLetterContainer: deadLetterContainer
    queue: queue
    uploadRetentionDays: uploadRetentionDays
    workspaceId: monitoring.outputs.workspaceId
  }
}

module keyVault 'modules/keyvault.bicep' = {
  scope: resourceGroup
  params: {
    location: location
    tags: tags
    name: vaultName
    isPrivate: vnetEnabled
    allowedAddresses: addresses
    recovered: recoverVault
    workspaceId: monitoring.outputs.workspaceId
  }
}

module roles 'modules/roles.bicep' = {
  scope: resourceGroup
  params: {
    storageName: storageName
    vaultName: vaultName
    componentName: componentName
    appPrincipalId: identity.outputs.principalId
    cutoutsEnabled: cutoutsEnabled
    topicPrincipalId: cutoutsEnabled ? topicIdentity!.outputs.principalId : ''
    queue: queue
    deadLetterContainer: deadLetterContainer
  }
  dependsOn: [monitoring, storage, keyVault]
}

module deployerRoles 'modules/person.bicep' = if (deployerIsPerson) {
  scope: resourceGroup
  params: {
    storageName: storageName
    vaultName: vaultName
    cutoutsEnabled: cutoutsEnabled
    principalId: deployer().objectId
    principalType: 'User'
  }
  dependsOn: [storage, keyVault]
}

module developerRoles 'modules/person.bicep' = if (!empty(developerId)) {
  scope: resourceGroup
  params: {
    storageName: storageName
    vaultName: vaultName
    cutoutsEnabled: cutoutsEnabled
    principalId: developerId
    principalType: developerType
  }
  // One after the other: they are the same assignments when it is the deployer who is named.
  dependsOn: [storage, keyVault, deployerRoles]
}

module network 'modules/network.bicep' = if (vnetEnabled) {
  scope: resourceGroup
  params: {
    location: location
    tags: tags
    name: '${abbreviations.virtualNetwork}${token}'
    appGroupName: '${abbreviations.networkSecurityGroup}app-${token}'
    endpointGroupName: '${abbreviations.networkSecurityGroup}endpoints-${token}'
    addressPrefix: vnetAddressPrefix
    appPrefix: vnetAppPrefix
    endpointPrefix: vnetEndpointPrefix
    imageUrlPorts: imageUrlPorts
    workspaceId: monitoring.outputs.workspaceId
  }
}

module blobEndpoint 'modules/private-endpoint.bicep' = if (vnetEnabled) {
  scope: resourceGroup
  params: {
    location: location
    tags: tags
    name: '${abbreviations.privateEndpoint}blob-${token}'
    targetId: storage.outputs.id
    group: 'blob'
    zoneName: 'privatelink.blob.${environment().suffixes.storage}'
    networkId: network!.outputs.id
    subnetId: network!.outputs.endpointSubnetId
  }
}

module queueEndpoint 'modules/private-endpoint.bicep' = if (vnetEnabled) {
  scope: resourceGroup
  params: {
    location: location
    tags: tags
    name: '${abbreviations.privateEndpoint}queue-${token}'
    targetId: storage.outputs.id
    group: 'queue'
    zoneName: 'privatelink.queue.${environment().suffixes.storage}'
    networkId: network!.outputs.id
    subnetId: network!.outputs.endpointSubnetId
  }
}

module vaultEndpoint 'modules/private-endpoint.bicep' = if (vnetEnabled) {
  scope: resourceGroup
  params: {
    location: location
    tags: tags
    name: '${abbreviations.privateEndpoint}vault-${token}'
    targetId: keyVault.outputs.id
    group: 'vault'
    zoneName: 'privatelink.vaultcore.azure.net'
    networkId: network!.outputs.id
    subnetId: network!.outputs.endpointSubnetId
  }
}

// What host and app read. Neither FUNCTIONS_WORKER_RUNTIME nor WEBSITE_RUN_FROM_PACKAGE nor a switch of the
// remote build: Flex Consumption takes these from functionAppConfig, and refuses the settings.
var settings = {
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.outputs.clientId};Authorization=AAD'
  APPLICATIONINSIGHTS_CONNECTION_STRING: monitoring.outputs.connectionString
  // Spans of the host's own calls: of storage, one for each look into the queue, which come every two seconds, by the
  // Azure SDK and by .NET's client below it.
  AZURE_TRACING_DISABLED: 'true'
  DOTNET_SYSTEM_NET_HTTP_ENABLEACTIVITYPROPAGATION: 'false'
  AzureWebJobsDisableHomepage: 'true'
  AzureWebJobsStorage__blobServiceUri: storage.outputs.blobEndpoint
  AzureWebJobsStorage__clientId: identity.outputs.clientId
  AzureWebJobsStorage__credential: 'managedidentity'
  // Requests that the app makes itself, whose URLs hold names of blobs and queries of callers.
  OTEL_PYTHON_DISABLED_INSTRUMENTATIONS: 'azure_sdk,django,fastapi,flask,httpx,httpx2,psycopg2,requests,urllib,urllib3'
  OTEL_TRACES_SAMPLER: 'microsoft.fixed_percentage'
  OTEL_TRACES_SAMPLER_ARG: tracedShare
  ORT_DISABLE_TELEMETRY: '1'
  PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY: 'true'
  // Or the worker exports every logger, that of its own exporter included, which tells of each export.
  PYTHON_APPLICATIONINSIGHTS_LOGGER_NAME: 'telemetry'
  SEGMENT_API_KEY_1: '@Microsoft.KeyVault(SecretUri=${keyVault.outputs.uri}secrets/${keyVault.outputs.keyNames[0]}/)'
  SEGMENT_API_KEY_2: '@Microsoft.KeyVault(SecretUri=${keyVault.outputs.uri}secrets/${keyVault.outputs.keyNames[1]}/)'
  // By it and the network the app decides how much memory pictures may use.
  SEGMENT_INSTANCE_MB: string(instanceMemoryMB)
  SEGMENT_KEYS: keysEnabled ? 'on' : 'off'
  SEGMENT_MORE_FORMATS: moreFormats
  SEGMENT_REGION: location
  SEGMENT_URL_ALLOWED_PORTS: join(imageUrlPorts, ',')
}
var networkSettings = empty(segmentModel) ? {} : { SEGMENT_MODEL: segmentModel }
var entraSettings = {
  SEGMENT_ENTRA_APP_IDS: entraAppIds
  SEGMENT_ENTRA_CALLERS: entraCallers
  SEGMENT_ENTRA_TENANT: tenant().tenantId
}
var cutoutSettings = {
  AzureWebJobsStorage__queueServiceUri: storage.outputs.queueEndpoint
  CUTOUT_FORMAT: cutoutFormat
  CUTOUT_INPUT_CONTAINER: inputContainer
  CUTOUT_MODE: cutoutMode
  CUTOUT_OUTPUT_CONTAINER: outputContainer
  CUTOUT_QUEUE: queue
  CUTOUT_STORAGE__blobServiceUri: storage.outputs.blobEndpoint
  CUTOUT_STORAGE__clientId: identity.outputs.clientId
  CUTOUT_STORAGE__credential: 'managedidentity'
  CUTOUT_STORAGE__queueServiceUri: storage.outputs.queueEndpoint
}

module api 'modules/function.bicep' = {
  scope: resourceGroup
  params: {
    location: location
    tags: tags
    name: appName
    planName: '${abbreviations.functionPlan}${token}'
    serviceName: serviceName
    identityId: identity.outputs.id
    packageContainerUrl: '${storage.outputs.blobEndpoint}${packageContainer}'
    settings: union(
      settings,
      networkSettings,
      cutoutsEnabled ? cutoutSettings : {},
      empty(entraCallers) ? {} : entraSettings,
      moreSettings
    )
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: readyInstances
    httpConcurrency: httpConcurrency == 0 ? 2 * cores : httpConcurrency
    updateStrategy: updateStrategy
    zoneRedundant: zoneRedundant
    corsOrigins: origins
    subnetId: vnetEnabled ? network!.outputs.appSubnetId : ''
    packageUri: packageUri
    workspaceId: monitoring.outputs.workspaceId
  }
  // The app starts when it is made, and then needs its roles and its way to storage and Key Vault.
  dependsOn: [roles, blobEndpoint, queueEndpoint, vaultEndpoint]
}

module events 'modules/events.bicep' = if (cutoutsEnabled) {
  scope: resourceGroup
  params: {
    location: location
    tags: tags
    name: '${abbreviations.eventGridSystemTopic}${token}'
    storageName: storageName
    identityId: topicIdentity!.outputs.id
    inputContainer: inputContainer
    deadLetterContainer: deadLetterContainer
    queue: queue
    workspaceId: monitoring.outputs.workspaceId
  }
  // Event Grid looks for queue and container, and whether it may use them, when the subscription is made.
  dependsOn: [storage, roles]
}

module workbook 'modules/workbook.bicep' = {
  scope: resourceGroup
  params: {
    location: location
    tags: tags
    workspaceName: workspaceName
  }
  dependsOn: [monitoring]
}

module availability 'modules/availability.bicep' = if (availabilityTest) {
  scope: resourceGroup
  params: {
    location: location
    tags: tags
    name: '${abbreviations.webTest}${token}'
    componentName: componentName
    endpoint: api.outputs.endpoint
  }
}

module alerts 'modules/alerts.bicep' = if (!empty(alertEmail)) {
  scope: resourceGroup
  params: {
    location: location
    tags: tags
    groupName: '${abbreviations.actionGroup}${token}'
    email: alertEmail
    workspaceId: monitoring.outputs.workspaceId
    appId: api.outputs.id
    dailyGbSeconds: dailyGbSeconds
    topicId: cutoutsEnabled ? events!.outputs.topicId : ''
    componentId: monitoring.outputs.componentId
    webTestId: availabilityTest ? availability!.outputs.id : ''
  }
}

module budget 'modules/budget.bicep' = if (monthlyBudget > 0) {
  scope: resourceGroup
  params: {
    name: '${abbreviations.budget}${token}'
    amount: monthlyBudget
    start: budgetBegan
    email: alertEmail
  }
}

output AZURE_LOCATION string = location
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_RESOURCE_GROUP string = resourceGroup.name
output AZURE_FUNCTION_NAME string = appName
output AZURE_KEY_VAULT_NAME string = vaultName
output AZURE_STORAGE_ACCOUNT_NAME string = storageName
// Read by azd with the sign-in of the person, who has a role for it, and handed to the hook after the deployment.
// In a closed network the vault is closed to that machine.
output API_KEY_SECRET string = keyIsReadable ? 'akvs://${subscription().subscriptionId}/${vaultName}/api-key-1' : ''
// Read back at the next provisioning, for a budget keeps the start it was made with.
output BUDGET_START string = monthlyBudget > 0 || !empty(budgetStart) ? budgetBegan : ''
output SERVICE_API_NAME string = appName
output SERVICE_API_ENDPOINT string = api.outputs.endpoint
