{{/* The name of an image. */}}
{{- define "perfleet.image" -}}
{{ .root.Values.image.registry }}perfleet/{{ .name }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* Where pods of a part may run and how their images are had; nothing where nothing is said. */}}
{{- define "perfleet.pod" -}}
{{- $said := dict -}}
{{- with .root.Values.image.pullSecrets }}{{ $names := list }}{{ range . }}{{ $names = append $names (dict "name" .) }}{{ end }}{{ $_ := set $said "imagePullSecrets" $names }}{{ end -}}
{{- with .part.nodeSelector }}{{ $_ := set $said "nodeSelector" . }}{{ end -}}
{{- with .part.tolerations }}{{ $_ := set $said "tolerations" . }}{{ end -}}
{{- if $said }}{{ toYaml $said }}{{ else }}# No selector of nodes, no tolerations.{{ end -}}
{{- end }}

{{/* Variables that only one part gets. */}}
{{- define "perfleet.env" -}}
{{- $list := list }}
{{- range $name, $value := . }}{{ $list = append $list (printf "- { name: %s, value: %s }" $name ($value | toString | quote)) }}{{ end }}
{{- join "\n" $list }}
{{- end }}

{{- define "perfleet.resources" -}}
resources:
{{- range $kind, $amounts := . }}
  {{ $kind }}: { {{- range $index, $name := keys $amounts | sortAlpha }}{{ if $index }},{{ end }} {{ $name }}: {{ get $amounts $name }}{{ end }} }
{{- end }}
{{- end }}
