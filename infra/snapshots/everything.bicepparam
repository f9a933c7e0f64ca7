using '../main.bicep'

// Every switch on and every number moved.
param environmentName = 'everything'
param location = 'swedencentral'
param instanceMemoryMB = 4096
param segmentModel = 'birefnet-lite'
param maximumInstanceCount = 100
param alwaysReadyInstances = 2
param httpConcurrency = 6
param zoneRedundant = true
param updateStrategy = 'RollingUpdate'
param corsOrigins = 'https://shop.example, https://studio.example'
param moreFormats = 'avif,heic'
param packageUri = 'https://example.com/segment-function-1.0.0.zip'
param appSettings = 'SEGMENT_MATTE_PNG=indexed; SEGMENT_URL_INPUT=off'
param cutoutMode = 'foregroundMatting'
param cutoutFormat = 'webp'
param uploadRetentionDays = 30
param storageSku = 'Standard_ZRS'
param vnetEnabled = true
param allowedAddresses = '203.0.113.7/32, 198.51.100.0/24'
param deployerAccess = false
param developerId = '11111111-1111-1111-1111-111111111111'
param logRetentionDays = 90
param logDailyCapGb = 5
param tracedPercent = 5
param alertEmail = 'operator@example.com'
param dailyGbSeconds = 50000
param availabilityTest = true
param monthlyBudget = 100
param budgetStart = '2026-01-01'
param entraCallers = 'shop=22222222-2222-2222-2222-222222222222, Segment.Call'
param entraAppIds = '33333333-3333-3333-3333-333333333333'
param keysEnabled = false
