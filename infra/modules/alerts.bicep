@description('Region of the resources.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the action group.')
param groupName string

@description('Address that is written to.')
param email string

@description('Log Analytics workspace that is asked.')
param workspaceId string

@description('Function App whose metrics are watched.')
param appId string

@description('Gigabyte-seconds in 24 hours above which an alert is sent.')
param dailyGbSeconds int

@description('Event Grid topic whose events may be lost; none if empty.')
param topicId string

@description('Application Insights component that keeps the results of the availability test.')
param componentId string

@description('Availability test; none if empty.')
param webTestId string

// The queries stand in a file of their own, beside those of the workbook.
var rules = loadJsonContent('../queries.json').alerts

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: groupName
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'segment'
    enabled: true
    emailReceivers: [
      {
        name: 'operator'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource queryAlerts 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for rule in rules: {
    name: rule.name
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: rule.title
      description: rule.description
      enabled: true
      severity: rule.severity
      // A young workspace has no table yet; it is made by the first record.
      skipQueryValidation: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT5M'
      windowSize: rule.window
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: join(rule.query, '\n')
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      actions: {
        actionGroups: [group.id]
      }
    }
  }
]

// The metric counts MB-milliseconds; 1 GB-s is 1024 MB for 1000 ms.
resource executionUnits 'Microsoft.Insights/metricAlerts@2026-01-01' = {
  name: 'gb-seconds'
  location: 'global'
  tags: tags
  properties: {
    description: 'The app used more GB-seconds in 24 hours than it should: look for the caller, or raise the limit.'
    enabled: true
    severity: 2
    scopes: [appId]
    evaluationFrequency: 'PT1H'
    windowSize: 'P1D'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'on-demand'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.Web/sites'
          metricName: 'OnDemandFunctionExecutionUnits'
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: dailyGbSeconds * 1024000
        }
      ]
    }
    actions: [
      {
        actionGroupId: group.id
      }
    ]
  }
}

// Events that did not reach the queue in 30 tries: a role, or the queue, is missing.
resource deadLetters 'Microsoft.Insights/metricAlerts@2026-01-01' = if (!empty(topicId)) {
  name: 'dead-letters'
  location: 'global'
  tags: tags
  properties: {
    description: 'Events of uploads were put aside. docs/scaling.md says how to put them into the queue.'
    enabled: true
    severity: 1
    scopes: [topicId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'dead-lettered'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.EventGrid/systemTopics'
          metricName: 'DeadLetteredCount'
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: [
      {
        actionGroupId: group.id
      }
    ]
  }
}

resource unavailable 'Microsoft.Insights/metricAlerts@2026-01-01' = if (!empty(webTestId)) {
  name: 'not-available'
  location: 'global'
  tags: tags
  properties: {
    description: 'From two of the three places /ready does not answer: look at the log of the app.'
    enabled: true
    severity: 1
    scopes: [webTestId, componentId]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT5M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: webTestId
      componentId: componentId
      failedLocationCount: 2
    }
    actions: [
      {
        actionGroupId: group.id
      }
    ]
  }
}
