package sandbox

import (
	"bytes"
	"encoding/xml"
	"strings"
)

func addModelHandlers(h map[string]handler) {
	h["import.models.list"] = modelList
	h["import.models.get"] = modelGet
}

// importModel is a model of a parameterised import.
type importModel struct {
	name, category, createdAt, updatedAt, createdBy string
}

// importModels are the models every dossier holds.
var importModels = []importModel{
	{"WEB_ORDERS", "SaleOrders", "2024-03-04T09:12:30.740Z", "2025-01-15T16:40:02.113Z", "camille.martin@example.fr"},
	{"Clients d'été", "Customers", "2023-06-21T07:00:00.000Z", "2023-06-21T07:00:00.000Z", "camille.martin@example.fr"},
	{"testModel", "Items", "2021-08-30T12:56:30.740Z", "2021-08-30T12:56:30.740Z", "ADM"},
}

// model members are written in the order of the document (L3763, L3790).
func (m importModel) head() string {
	var b bytes.Buffer
	b.WriteString(`{"importSettings":`)
	writeString(&b, m.name)
	b.WriteString(`,"importCategory":`)
	writeString(&b, m.category)
	return b.String()
}

// modelFolder is the dossier a call of the import product names.
func (r *request) modelFolder() (*folder, error) {
	id := r.value("FolderId")
	if id == "" {
		return nil, badRequest("FolderId", "FolderId est obligatoire")
	}
	return r.findFolder(id, "")
}

// modelList is GET /v1/ModelSettings (L3773).
func modelList(r *request) (answer, error) {
	if _, err := r.modelFolder(); err != nil {
		return answer{}, err
	}
	var b bytes.Buffer
	b.WriteString(`{"settings":[`)
	for i, m := range importModels {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(m.head() + `,"createdAt":"` + m.createdAt + `","updatedAt":"` + m.updatedAt + `","createdBy":"` + m.createdBy + `"}`)
	}
	b.WriteString("]}")
	return answer{body: b.Bytes(), records: len(importModels)}, nil
}

// modelGet is GET /v1/ModelSettings/{ImportSettings} (L3796).
func modelGet(r *request) (answer, error) {
	if _, err := r.modelFolder(); err != nil {
		return answer{}, err
	}
	for _, m := range importModels {
		if !strings.EqualFold(m.name, r.last()) {
			continue
		}
		var name bytes.Buffer
		_ = xml.EscapeText(&name, []byte(m.name)) // into memory
		var b bytes.Buffer
		b.WriteString(m.head() + `,"contentXml":`)
		writeString(&b, `<?xml version="1.0" encoding="utf-8"?><ImportSettings Name="`+name.String()+`" Category="`+m.category+`"><Separator>;</Separator></ImportSettings>`)
		b.WriteByte('}')
		return answer{body: b.Bytes(), records: 1}, nil
	}
	return answer{}, notFound("ImportSettingsNotFound", "Le modèle d'import '%s' n'existe pas", r.last())
}
