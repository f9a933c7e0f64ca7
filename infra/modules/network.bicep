@description('Region of the resources.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the virtual network.')
param name string

@description('Name of the network security group of the app\'s subnet.')
param appGroupName string

@description('Name of the network security group of the endpoints\' subnet.')
param endpointGroupName string

@description('Addresses of the virtual network.')
param addressPrefix string

@description('Addresses of the app\'s subnet.')
param appPrefix string

@description('Addresses of the endpoints\' subnet.')
param endpointPrefix string

@description('Ports that image URLs may name.')
param imageUrlPorts array

@description('Log Analytics workspace for diagnostics.')
param workspaceId string

// What the app may reach, first match wins. It is the second wall against requests forged by image URLs: the
// first, in the app, looks at addresses before it connects; this one holds whatever the app does.
resource appGroup 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: appGroupName
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'allow-within-app'
        properties: {
          description: 'The platform\'s own, from instance to instance: it does not start without.'
          direction: 'Outbound'
          priority: 90
          access: 'Allow'
          protocol: '*'
          sourceAddressPrefix: appPrefix
          sourcePortRange: '*'
          destinationAddressPrefix: appPrefix
          destinationPortRange: '*'
        }
      }
      {
        name: 'allow-private-endpoints'
        properties: {
          description: 'Storage and Key Vault.'
          direction: 'Outbound'
          priority: 100
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: appPrefix
          sourcePortRange: '*'
          destinationAddressPrefix: endpointPrefix
          destinationPortRange: '443'
        }
      }
      {
        name: 'allow-entra'
        properties: {
          description: 'Tokens of the managed identity.'
          direction: 'Outbound'
          priority: 110
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: appPrefix
          sourcePortRange: '*'
          destinationAddressPrefix: 'AzureActiveDirectory'
          destinationPortRange: '443'
        }
      }
      {
        name: 'allow-monitor'
        properties: {
          description: 'Telemetry to Application Insights.'
          direction: 'Outbound'
          priority: 120
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: appPrefix
          sourcePortRange: '*'
          destinationAddressPrefix: 'AzureMonitor'
          destinationPortRange: '443'
        }
      }
      {
        name: 'deny-instance-metadata'
        properties: {
          description: 'The metadata service hands out tokens; the app gets its own elsewhere.'
          direction: 'Outbound'
          priority: 200
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: 'AzurePlatformIMDS'
          destinationPortRange: '*'
        }
      }
      {
        name: 'deny-private-networks'
        properties: {
          description: 'Whatever is routed to this network by peering, VPN or ExpressRoute.'
          direction: 'Outbound'
          priority: 210
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefixes: [
            '10.0.0.0/8'
            '100.64.0.0/10'
            '172.16.0.0/12'
            '192.168.0.0/16'
            '198.18.0.0/15'
          ]
          destinationPortRange: '*'
        }
      }
      {
        name: 'deny-virtual-network'
        properties: {
          description: 'The network and its peers, whatever addresses they have.'
          direction: 'Outbound'
          priority: 220
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: 'VirtualNetwork'
          destinationPortRange: '*'
        }
      }
      {
        name: 'allow-image-urls'
        properties: {
          description: 'Pictures that are given by URL.'
          direction: 'Outbound'
          priority: 300
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: appPrefix
          sourcePortRange: '*'
          destinationAddressPrefix: 'Internet'
          destinationPortRanges: imageUrlPorts
        }
      }
      {
        name: 'deny-all-outbound'
        properties: {
          description: 'Everything else.'
          direction: 'Outbound'
          priority: 4096
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource endpointGroup 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: endpointGroupName
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'allow-network'
        properties: {
          description: 'The app, and whoever is in the network, in one that is peered with it, or comes by VPN: roles say who may do what.'
          direction: 'Inbound'
          priority: 100
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: 'VirtualNetwork'
          sourcePortRange: '*'
          destinationAddressPrefix: endpointPrefix
          destinationPortRange: '443'
        }
      }
      {
        name: 'deny-all-inbound'
        properties: {
          description: 'Everything else.'
          direction: 'Inbound'
          priority: 4096
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [addressPrefix]
    }
    // Subnets in the network itself: as resources of their own they would be removed and made again by every update.
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: appPrefix
          // Pictures are fetched from the internet; the group above says from which ports.
          defaultOutboundAccess: true
          networkSecurityGroup: {
            id: appGroup.id
          }
          delegations: [
            {
              name: 'flex-consumption'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'private-endpoints'
        properties: {
          addressPrefix: endpointPrefix
          defaultOutboundAccess: false
          privateEndpointNetworkPolicies: 'Enabled'
          networkSecurityGroup: {
            id: endpointGroup.id
          }
        }
      }
    ]
  }

  resource appSubnet 'subnets' existing = {
    name: 'app'
  }

  resource endpointSubnet 'subnets' existing = {
    name: 'private-endpoints'
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-log-analytics'
  scope: appGroup
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'NetworkSecurityGroupRuleCounter'
        enabled: true
      }
    ]
  }
}

output id string = network.id
output appSubnetId string = network::appSubnet.id
output endpointSubnetId string = network::endpointSubnet.id
