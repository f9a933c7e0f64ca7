using '../main.bicep'

// Alerts and a budget, and nothing else moved.
param environmentName = 'watched'
param location = 'uksouth'
param alertEmail = 'operator@example.com'
param monthlyBudget = 20
param budgetStart = '2026-01-01'
