@description('Region of the resources.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the Log Analytics workspace that is asked.')
param workspaceName string

// The queries stand in a file of their own, so that they can be changed without touching the template.
var panels = loadJsonContent('../queries.json').workbook

var introduction = [
  {
    type: 1
    name: 'introduction'
    content: {
      json: '## segment-function'
    }
  }
  {
    type: 9
    name: 'parameters'
    content: {
      version: 'KqlParameterItem/1.0'
      parameters: [
        {
          id: 'a9f3c1d6-51ae-4f09-8c5b-0d2a4c7e9b10'
          version: 'KqlParameterItem/1.0'
          name: 'range'
          label: 'Time'
          type: 4
          value: {
            durationMs: 86400000
          }
        }
      ]
    }
  }
]

var charts = [
  for panel in panels: {
    type: 3
    name: panel.name
    customWidth: '50'
    content: {
      version: 'KqlItem/1.0'
      title: panel.title
      query: join(panel.query, '\n')
      queryType: 0
      resourceType: 'microsoft.operationalinsights/workspaces'
      timeContextFromParameter: 'range'
      visualization: panel.visualization
      size: 0
    }
  }
]

var content = {
  version: 'Notebook/1.0'
  items: concat(introduction, charts)
  fallbackResourceIds: [workspace.id]
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' existing = {
  name: workspaceName
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'segment-function')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    category: 'workbook'
    displayName: 'segment-function'
    sourceId: workspace.id
    serializedData: string(content)
  }
}
